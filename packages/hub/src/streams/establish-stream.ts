import { HubError } from '../base/hub-error.ts'
import { changedWishes, drift } from './stream-wishes.ts'
import { deliveryMethodUrns, type RemoteStream, type Stream } from './stream.ts'
import {
  requireMethod,
  type StreamConfiguration,
  type WantedStream,
  type StreamRequestChanges,
  type TransmitterClient,
} from './transmitter-client.ts'

/** A stream at the transmitter that matches our wishes, and how it was established. */
export interface EstablishedStream {
  readonly found: StreamConfiguration
  readonly repaired: boolean
  readonly adopted: boolean
}

/** The wishes of the earlier setup. */
export interface EarlierRequest {
  readonly wanted: WantedStream
  /** Whether pushes lacked the agreed value: the transmitter may not have it. */
  readonly isPushRefused: boolean
}

/** Makes the stream at the transmitter match our wishes; creates it when there is none. */
export async function establish(
  client: TransmitterClient,
  { remote }: Pick<Stream, 'remote'>,
  wanted: WantedStream,
  before: EarlierRequest | undefined,
): Promise<EstablishedStream> {
  // Changed wishes are always sent: not every transmitter shows all that it was asked for.
  const asked = before && {
    ...changedWishes(before.wanted, wanted),
    ...(before.isPushRefused && { delivery: wanted.delivery }),
  }
  const known = remote && (await client.read(remote.streamId))
  // An earlier attempt may have created it without receiving the answer: a stream that pushes to our URL is ours.
  const lost = known === undefined && before ? await findLost(client, wanted) : undefined
  const existing = known ?? lost
  if (existing !== undefined) return adopt(client, existing, wanted, asked)
  const created = await client.create(wanted)
  if (created !== undefined) return { found: created, repaired: false, adopted: false }
  const others = await client.list() // SSF 1.0 §8.1.1.1
  const [only] = others
  if (only === undefined || others.length > 1) {
    throw new HubError('stream.transmitter_refused', {
      detail: `The transmitter refuses another stream (409) and shows ${others.length} of ours, so it is unclear which one to adopt. Delete the unneeded ones at the transmitter.`,
    })
  }
  return adopt(client, only, wanted)
}

/** Adopts an existing stream: changes members that differ from our wishes, and those in `asked`. */
export async function adopt(
  client: TransmitterClient,
  existing: StreamConfiguration,
  wanted: WantedStream,
  asked: StreamRequestChanges = {},
): Promise<EstablishedStream> {
  const changes = { ...drift(existing, wanted), ...asked }
  if (Object.keys(changes).length === 0) return { found: existing, repaired: false, adopted: true }
  const changed = await client.change(existing.streamId, changes, wanted)
  const found = changed ?? existing
  // Keycloak's answer to a PUT omits the poll URL; it stays valid while the method is the same.
  const isOther = found.method !== existing.method
  const endpointUrl = found.endpointUrl ?? (isOther ? undefined : existing.endpointUrl)
  if (isOther && found.method === deliveryMethodUrns.poll && endpointUrl === existing.endpointUrl) {
    throw new HubError('stream.answer_unusable', {
      detail: 'The transmitter says that the stream is polled, but gives the URL of its pushes.',
    })
  }
  return {
    found: requireMethod({ ...found, endpointUrl }, wanted, changed === undefined),
    repaired: true,
    adopted: true,
  }
}

async function findLost(
  client: TransmitterClient,
  { delivery }: WantedStream,
): Promise<StreamConfiguration | undefined> {
  if (!('endpoint_url' in delivery)) return undefined
  return (await client.list()).find(({ endpointUrl }) => endpointUrl === delivery.endpoint_url)
}

/** The stored part of a transmitter's answer. */
export function remoteOf(found: StreamConfiguration): RemoteStream {
  const { streamId, iss, aud, endpointUrl, eventsDelivered, defaultSubjects } = found
  const { minVerificationIntervalS, inactivityTimeoutS } = found
  return {
    streamId,
    iss,
    aud,
    endpointUrl,
    eventsDelivered,
    minVerificationIntervalS,
    inactivityTimeoutS,
    ...(defaultSubjects !== undefined && { defaultSubjects }),
  }
}
