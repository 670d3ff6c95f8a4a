/** The samplers of the OpenTelemetry specification that need no other service. */
export const samplerNames = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const

export interface SamplerSetting {
  readonly name: (typeof samplerNames)[number]
  /** The share of traces to keep, from 0 to 1, for samplers with `ratio` in their name. */
  readonly ratio: number
}
