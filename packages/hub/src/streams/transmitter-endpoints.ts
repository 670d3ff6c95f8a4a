import { HubError } from '../base/hub-error.ts'
import { isJsonArray, meant, type JsonValue, inSentence } from '@watchbell/receiver/base'
import type { TransmitterMetadata } from './discovery.ts'
import { deliveryMethodUrns, type DeliveryMethod, type TransmitterEndpoints } from './stream.ts'

/**
 * The endpoints of the management API (SSF 1.0 §7.1). An endpoint that cannot be fetched is refused here, by its name.
 * @throws HubError `stream.unsupported` without a configuration endpoint or the delivery method, `stream.answer_unusable`
 */
export function readEndpoints(
  { url, document }: TransmitterMetadata,
  delivery: DeliveryMethod,
  urlProblem: (url: string) => string | undefined,
): TransmitterEndpoints {
  const endpoint = (member: string): string | undefined => {
    const value = meant(document[member])
    if (value === undefined) return undefined
    const problem = typeof value === 'string' ? urlProblem(value) : 'it is not a string'
    if (typeof value === 'string' && problem === undefined) return value
    throw new HubError('stream.answer_unusable', {
      detail: `The transmitter's metadata at ${url} has a ${member} that cannot be used: ${problem ?? ''}.`,
    })
  }
  const configuration = endpoint('configuration_endpoint')
  if (configuration === undefined) {
    throw new HubError('stream.unsupported', {
      detail: `The transmitter's metadata at ${url} has no configuration_endpoint: its streams can only be set up at the transmitter itself.`,
    })
  }
  const deliveryMethods = texts(document['delivery_methods_supported'])
  const wanted = deliveryMethodUrns[delivery]
  if (deliveryMethods !== undefined && !deliveryMethods.some((urn) => methodOf(urn) === delivery)) {
    throw new HubError('stream.unsupported', {
      detail: `The transmitter does not deliver by ${delivery} (${wanted}); it supports ${deliveryMethods
        .slice(0, 20)
        .map((method) => inSentence(method, 100))
        .join(', ')}.`,
    })
  }
  return {
    metadataUrl: url,
    configuration,
    status: endpoint('status_endpoint'),
    verification: endpoint('verification_endpoint'),
    addSubject: endpoint('add_subject_endpoint'),
    removeSubject: endpoint('remove_subject_endpoint'),
    deliveryMethods,
    defaultSubjects: readDefaultSubjects(document['default_subjects']),
    criticalSubjectMembers: texts(document['critical_subject_members']) ?? [],
  }
}

/** The transmitter's default subjects; undefined when it does not say. */
export function readDefaultSubjects(value: JsonValue | undefined): 'ALL' | 'NONE' | undefined {
  return value === 'ALL' || value === 'NONE' ? value : undefined
}

/** Drafts before SSF 1.0 had other URIs for the methods. */
function methodOf(urn: string): DeliveryMethod | undefined {
  if (urn === deliveryMethodUrns.push || urn.endsWith('/risc/delivery-method/push')) return 'push'
  if (urn === deliveryMethodUrns.poll || urn.endsWith('/risc/delivery-method/poll')) return 'poll'
  return undefined
}

function texts(value: JsonValue | undefined): readonly string[] | undefined {
  return isJsonArray(value) && value.length > 0 ? value.filter((each) => typeof each === 'string') : undefined
}
