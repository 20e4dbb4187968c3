/** What is tried of each entry of the package, and where. An entry that is missing here fails the whole. */

export type Place = 'node' | 'web'
/** The trial is `trials/<name>`: a program of somebody who uses the package. It answers true. */
export type Entry = { readonly trial: string; readonly runs: readonly Place[] }

export const ENTRIES: Readonly<Record<string, Entry>> = {
  './core': { trial: 'core', runs: ['node', 'web'] },
  './flags': { trial: 'flags', runs: ['node', 'web'] },
  './node': { trial: 'node', runs: ['node'] },
  './browser': { trial: 'browser', runs: ['node', 'web'] },
  './react': { trial: 'react', runs: ['node', 'web'] },
  './openfeature/server': { trial: 'openfeature-server', runs: ['node'] },
  './openfeature/web': { trial: 'openfeature-web', runs: ['web'] },
  './testing': { trial: 'testing', runs: ['node', 'web'] },
}
