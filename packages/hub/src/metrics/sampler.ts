/** The samplers that the OpenTelemetry specification names, as far as they need nothing of others. */
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
  /** From 0 to 1; which part of all traces is kept, where the name says `ratio`. */
  readonly ratio: number
}
