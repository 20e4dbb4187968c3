/** Hooks, with flags that are known: as the clients' calls. */
import { useFlag, useFlagDetails, useSuspenseFlag } from '@halyard/sdk/react'

export function useAll(): [boolean, string, number] {
  // @ts-expect-error an unknown key
  useFlag('chekout', false)
  // @ts-expect-error a default of another type
  useFlagDetails('checkout', 'no')
  return [useFlag('checkout', false), useFlagDetails('plan.name', 'free').value, useSuspenseFlag('limit', 1)]
}
