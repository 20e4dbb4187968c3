/** What a plain page loads. */
import { connect } from '@halyard/sdk/browser'

Object.assign(globalThis, { connect })
