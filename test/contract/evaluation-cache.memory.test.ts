import { evaluationCacheContract } from './evaluation-cache.suite.ts'

evaluationCacheContract(async () => ({ join: async () => undefined, close: async () => {} }))
