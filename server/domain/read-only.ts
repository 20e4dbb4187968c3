/** Fields that a GET adds to a document: taken back in a write, and ignored, so that a body read can be put back. */
export const READ_ONLY_FIELDS = [
  'key',
  'epoch',
  'revision',
  'changedAt',
  'changedBy',
  'kill',
  'stale',
  'staleIncomplete',
  'members',
  'archived',
  'warnings',
  'dryRun',
  'diff',
] as const
