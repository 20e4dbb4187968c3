# The service in a small image: built with everything, run with what it needs, as a user that is not root.
# `docker build -t halyard .`; a test runs these very steps in a clean folder (npm run test:image).

FROM node:24-slim AS build
WORKDIR /build
COPY package.json package-lock.json tsconfig.base.json tsconfig.json ./
COPY sdk/package.json sdk/
# Without scripts: `prepare` would build before the sources are here.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY sdk sdk
COPY server server
COPY scripts/bundle-cli.mjs scripts/
COPY migrations migrations
RUN npx tsc -p sdk && node scripts/bundle-cli.mjs && npx tsc -p server
RUN npm prune --omit=dev --ignore-scripts --no-audit --no-fund

FROM node:24-slim
# HALYARD_URL: for `halyard` within the container.
ENV NODE_ENV=production HALYARD_HOST=0.0.0.0 HALYARD_PORT=4000 HALYARD_DATA_DIR=/data HALYARD_URL=http://127.0.0.1:4000
WORKDIR /app
RUN mkdir -p /data && chown node:node /data
RUN ln -s /app/sdk/dist/cli/halyard.js /usr/local/bin/halyard
COPY --from=build /build/package.json ./
COPY --from=build /build/node_modules node_modules
COPY --from=build /build/sdk/package.json sdk/
COPY --from=build /build/sdk/dist sdk/dist
COPY --from=build /build/migrations migrations
COPY --from=build /build/dist dist
USER node
VOLUME /data
EXPOSE 4000
# Alive, not ready: an instance that waits for its database must not be restarted for it.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.HALYARD_PORT}/health/live`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
STOPSIGNAL SIGTERM
CMD ["node", "dist/main.js"]
