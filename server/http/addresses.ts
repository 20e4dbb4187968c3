/** Which endpoints an address is of, for those who are asked before, or after, the router. */
import { allEndpoints, type Endpoint, type Method } from '../contract/index.ts'

export type Address = { readonly method: Method; readonly pattern: RegExp }

/** Where endpoints are found. */
export function addressesOf(endpoints: readonly Endpoint[]): readonly Address[] {
  return endpoints.map(({ method, path }) => ({
    method,
    pattern: new RegExp(`^${path.replace(/[.]/g, '\\.').replace(/:\w+/g, '[^/]+')}$`),
  }))
}

const ALL = addressesOf(allEndpoints)

/** The methods that an address takes. @param url with or without a query */
export function methodsAt(url: string): readonly Method[] {
  const path = pathOf(url)
  return [...new Set(ALL.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method))]
}

export const pathOf = (url: string): string => url.split('?', 1)[0] ?? ''
