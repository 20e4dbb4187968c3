/**
 * `REDIS_URL`, read: which servers, how the right one among them is found, and who we are there. Several hosts may
 * stand in it, so it is no URL that the platform could read. What is wrong with it is said without quoting it.
 */

export type RedisHost = { readonly host: string; readonly port: number }
export type Credentials = { readonly username?: string; readonly password?: string }

export type RedisAddress = {
  /** `sentinel`: the hosts are Sentinels, and know the server by its name. `cluster`: they are some of its nodes. */
  readonly kind: 'standalone' | 'sentinel' | 'cluster'
  readonly hosts: readonly RedisHost[]
  readonly tls: boolean
  readonly credentials: Credentials
  readonly db: number
  /** For Sentinel alone: what it calls the server, and who we are to it. */
  readonly name: string | undefined
  readonly sentinelCredentials: Credentials
}

export const REDIS_SCHEMES = 'redis://, redis+sentinel:// or redis+cluster:// (over TLS: rediss…)'

const FORM =
  /^(rediss?)(?:\+(sentinel|cluster))?:\/\/(?:([^/?#]*)@)?([^@/?#]+)(?:\/([^?#]*))?(?:\?([^#]*))?$/i
const HOST = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(\d{1,5}))?$/i

/**
 * Reads `redis://user:password@host:port/db`, `redis+sentinel://host,host/name/db?sentinelPassword=…`, and
 * `redis+cluster://host,host`; with `rediss` in place of `redis` over TLS.
 * @returns the address, or one sentence about what is wrong
 */
export function parseRedisUrl(text: string): RedisAddress | string {
  const form = FORM.exec(text)
  if (form === null)
    return `must be a URL that starts with ${REDIS_SCHEMES}; special characters of a password are percent-encoded`
  const [, scheme = '', found, userinfo = '', authority = '', path = '', query = ''] = form
  const kind = (found?.toLowerCase() ?? 'standalone') as RedisAddress['kind']
  const hosts = hostsOf(authority, kind === 'sentinel' ? 26_379 : 6_379)
  if (hosts === undefined) return 'names its hosts as host or host:port, with commas between them'
  if (kind === 'standalone' && hosts.length > 1)
    return 'names one host; several are for redis+sentinel:// and redis+cluster://'
  const place = placeOf(kind, path)
  if (typeof place === 'string') return place
  const [name, password] = splitOnce(userinfo, ':')
  const parameters = new URLSearchParams(query)
  for (const parameter of parameters.keys()) {
    if (!PARAMETERS.has(parameter)) return `has a parameter that is none of ${[...PARAMETERS].join(', ')}`
  }
  if (parameters.size > 0 && kind !== 'sentinel') return 'has parameters that are for redis+sentinel:// alone'
  try {
    return {
      kind,
      hosts,
      tls: scheme.toLowerCase() === 'rediss',
      credentials: credentialsOf(decodeURIComponent(name), decodeURIComponent(password)),
      ...place,
      sentinelCredentials: credentialsOf(
        parameters.get('sentinelUsername') ?? '',
        parameters.get('sentinelPassword') ?? '',
      ),
    }
  } catch {
    return 'has a user or password that is not percent-encoded'
  }
}

const PARAMETERS = new Set(['sentinelUsername', 'sentinelPassword'])

function hostsOf(authority: string, defaultPort: number): readonly RedisHost[] | undefined {
  const hosts: RedisHost[] = []
  for (const one of authority.split(',')) {
    const found = HOST.exec(one)
    const port = Number(found?.[2] ?? defaultPort)
    if (found?.[1] === undefined || port < 1 || port > 65_535) return undefined
    hosts.push({ host: found[1].replace(/^\[|\]$/g, ''), port })
  }
  return hosts
}

/** What the path names: a database, and before it Sentinel's name for the server. */
function placeOf(kind: RedisAddress['kind'], path: string): Pick<RedisAddress, 'db' | 'name'> | string {
  const parts = path.split('/')
  const name = kind === 'sentinel' ? parts.shift() : undefined
  if (name === '') return 'must name the server as Sentinel does: redis+sentinel://host,host/name'
  const [db = ''] = parts
  if (parts.length > 1 || !/^\d{0,3}$/.test(db)) return 'must end with the number of a database, or without'
  if (kind === 'cluster' && Number(db) !== 0) return 'can name no database: a cluster has one'
  return { db: Number(db), name }
}

const splitOnce = (text: string, separator: string): readonly [string, string] => {
  const at = text.indexOf(separator)
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}

function credentialsOf(username: string, password: string): Credentials {
  return { ...(username !== '' && { username }), ...(password !== '' && { password }) }
}
