/**
 * What the body of an alerting tool's webhook says, as far as a kill cares: what the alert is called, and whether it
 * is none that has just begun. Nothing of it is trusted, and what it does not plainly say is not guessed.
 */
import { fieldOf, isObject } from '../domain/reading.ts'

export type Alert = {
  /** Cut and cleaned; undefined where the body names none. */
  readonly name: string | undefined
  /** Why it is no reason to kill, as a sentence; undefined where it is one. */
  readonly ignored: string | undefined
}

/** Where tools say how an alert stands, and the words that say that it is over. */
const STANDINGS = [
  // Alertmanager and Grafana; New Relic; Grafana before 8; a Datadog payload as docs/kill-links.md has it.
  ...['status', 'state', 'current_state', 'alert_transition'],
  // PagerDuty's Events API; Google Cloud; Azure's common schema.
  ...['event_action', 'incident.state', 'data.essentials.monitorCondition'],
]
const OVER = /^(?:resolved?|closed?|ok|recovered|recovery|normal|inactive|cleared|acknowledged?)$/i

/** Tools whose webhooks tell of everything that becomes of an alert: only these events begin one. */
const BEGINNINGS = [
  // PagerDuty v3
  { at: 'event.event_type', begins: /^(?:incident|alert)\.(?:triggered|reopened)$/, of: undefined },
  // Opsgenie
  { at: 'action', begins: /^create$/i, of: 'alert' },
] as const

const NAMES = [
  ...['commonLabels.alertname', 'groupLabels.alertname', 'event.data.title', 'alert.message'],
  ...['data.essentials.alertRule', 'incident.policy_name', 'alertname', 'title'],
]
/** UTF-16 code units. */
const LONGEST_NAME = 80

/** @param body as it was parsed; undefined where there was none, or none that can be read */
export function readAlert(body: unknown): Alert {
  return { name: nameOf(body), ignored: ignoredOf(body) }
}

function ignoredOf(body: unknown): string | undefined {
  for (const path of STANDINGS) {
    const said = textAt(body, path)
    if (said !== undefined && OVER.test(said)) return `The alert has ended: ${path} is ${quoted(said)}.`
  }
  for (const { at, begins, of } of BEGINNINGS) {
    const said = of === undefined || isObject(fieldOf(body, of)) ? textAt(body, at) : undefined
    if (said !== undefined && !begins.test(said)) return `No alert begins: ${at} is ${quoted(said)}.`
  }
  // Datadog's own payload says it in the title alone.
  if (/^\[Recovered\b/i.test(textAt(body, 'title') ?? '')) return 'The alert has ended: its title says so.'
  return undefined
}

function nameOf(body: unknown): string | undefined {
  for (const path of NAMES) {
    const name = cleaned(textAt(body, path) ?? '', LONGEST_NAME)
    if (name !== '') return name
  }
  return undefined
}

function textAt(body: unknown, path: string): string | undefined {
  const found = path.split('.').reduce<unknown>(fieldOf, body)
  return typeof found === 'string' ? found : undefined
}

const quoted = (text: string): string => JSON.stringify(cleaned(text, LONGEST_NAME))

/** On one line, without what cannot be seen, cut to `longest` UTF-16 code units. */
export function cleaned(text: string, longest: number): string {
  return text
    .slice(0, longest)
    .replace(/[\p{C}\p{Z}]+/gu, ' ')
    .trim()
}
