// As `halyard types` writes it.
declare module '@halyard/sdk/flags' {
  interface Flags {
    checkout: boolean
    'plan.name': string
    limit: number
    theme: { colour: string; sizes?: number[] }
  }
}

export {}
