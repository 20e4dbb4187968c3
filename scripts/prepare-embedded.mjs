/**
 * The last step of the build: an empty embedded database with its schema, in dist/embedded, which a first start
 * copies. Making one takes seconds and hundreds of megabytes; copying it does not.
 */
import { rmSync } from 'node:fs'
import { PREPARED, prepareEmbedded } from '../dist/store/embedded.js'

rmSync(PREPARED, { recursive: true, force: true })
await prepareEmbedded(PREPARED)
