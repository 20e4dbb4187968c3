/** The SDK's own version, as its requests name it. A test holds it to package.json. */
export const SDK_VERSION = '0.1.0'
