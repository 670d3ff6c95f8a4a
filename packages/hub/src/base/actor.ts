/** The actor of a System Log entry (OKTA §6.4). Members after the first four are known over HTTP only. */
export interface Actor {
  readonly id: string
  readonly type: string
  readonly displayName: string
  readonly alternateId: string | undefined
  readonly ip?: string
  readonly userAgent?: string
  readonly requestId?: string
}
