import { describe, expect, it } from 'vitest'
import { cleaned, readAlert } from '../../../server/http/alerts.ts'

/** Bodies as the tools' own documentation shows them, cut to what matters. */
const BEGIN: Readonly<Record<string, unknown>> = {
  nothing: undefined,
  'an empty object': {},
  'no object': ['status', 'resolved'],
  'a text': 'resolved',
  Alertmanager: {
    version: '4',
    status: 'firing',
    alerts: [{ status: 'resolved' }, { status: 'firing' }],
    commonLabels: { alertname: 'PaymentsFail' },
  },
  Grafana: { status: 'firing', state: 'alerting', title: '[FIRING:1] Payments' },
  'PagerDuty triggered': { event: { event_type: 'incident.triggered', data: { status: 'triggered' } } },
  'PagerDuty reopened': { event: { event_type: 'incident.reopened' } },
  Opsgenie: { action: 'Create', alert: { message: 'Payments fail' } },
  Datadog: { title: '[Triggered on {host:a}] Payments', alert_transition: 'Triggered' },
  'Datadog again': { title: '[Re-Triggered] Payments', alert_transition: 'Re-Triggered' },
  'Google Cloud': { incident: { state: 'open' } },
  Azure: { data: { essentials: { monitorCondition: 'Fired' } } },
  'a tool of one’s own': { action: 'escalate', status: 'on fire', state: 1 },
  'a prototype’s field': JSON.parse('{"__proto__": {"status": "resolved"}}'),
}
const NO_BEGINNING: Readonly<Record<string, unknown>> = {
  Alertmanager: { version: '4', status: 'resolved', alerts: [] },
  Grafana: { status: 'resolved', state: 'ok' },
  'Grafana before 8': { state: 'ok', title: 'Payments' },
  'PagerDuty resolved': { event: { event_type: 'incident.resolved' } },
  'PagerDuty acknowledged': { event: { event_type: 'incident.acknowledged' } },
  'PagerDuty annotated': { event: { event_type: 'incident.annotated' } },
  'PagerDuty’s test': { event: { event_type: 'pagey.ping' } },
  'PagerDuty’s Events API': { event_action: 'resolve' },
  'Opsgenie closed': { action: 'Close', alert: { message: 'Payments fail' } },
  'Opsgenie noted': { action: 'AddNote', alert: { message: 'Payments fail' } },
  'Datadog with a payload of one’s own': { alert_transition: 'Recovered' },
  'Datadog’s own payload': { title: '[Recovered on {host:a}] Payments', event_type: 'metric_alert_monitor' },
  'New Relic': { current_state: 'closed' },
  'Google Cloud': { incident: { state: 'closed' } },
  Azure: { data: { essentials: { monitorCondition: 'Resolved' } } },
  capitals: { status: 'RESOLVED' },
}

describe('an alert', () => {
  it.each(Object.entries(BEGIN))('kills: %s', (_, body) => {
    expect(readAlert(body).ignored).toBeUndefined()
  })
  it.each(Object.entries(NO_BEGINNING))('does not kill: %s', (_, body) => {
    expect(readAlert(body).ignored).toMatch(/^(The alert has ended|No alert begins)/)
  })

  it('has the first name that it has, cut and on one line', () => {
    const nameOf = (body: unknown) => readAlert(body).name
    expect(nameOf(BEGIN.Alertmanager)).toBe('PaymentsFail')
    expect(nameOf(BEGIN.Opsgenie)).toBe('Payments fail')
    expect(nameOf({ title: ' Pay\u0000\n\u202ements\u2028 fail ' })).toBe('Pay ments fail')
    expect(nameOf({ title: '', alertname: 'other' })).toBe('other')
    expect(nameOf({ title: 12 })).toBeUndefined()
    expect(nameOf({ title: 'x'.repeat(500) })).toHaveLength(80)
    expect(cleaned('a\u{1f525}', 2)).toBe('a')
  })
})
