/** Certificates for a test's own TLS server: an authority made for it, and a server's of 127.0.0.1 and localhost. */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export type Certificates = {
  /** PEM. */
  readonly ca: string
  /** Paths. */
  readonly caFile: string
  readonly certFile: string
  readonly keyFile: string
}

/** Whether this machine can make them. */
export function canMakeCertificates(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** @param folder that they are written to; gone with it */
export function makeCertificates(folder: string): Certificates {
  const path = (name: string) => join(folder, name)
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'ignore', cwd: folder })
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  writeFileSync(path('names'), 'subjectAltName=IP:127.0.0.1,DNS:localhost')
  openssl(
    'req',
    '-x509',
    ...newKey,
    '-keyout',
    'ca.key',
    '-out',
    'ca.crt',
    '-days',
    '2',
    '-subj',
    '/CN=tests',
  )
  openssl('req', ...newKey, '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=redis')
  openssl(
    ...['x509', '-req', '-in', 'server.csr', '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial'],
    ...['-out', 'server.crt', '-days', '2', '-extfile', 'names'],
  )
  return {
    ca: readFileSync(path('ca.crt'), 'utf8'),
    caFile: path('ca.crt'),
    certFile: path('server.crt'),
    keyFile: path('server.key'),
  }
}
