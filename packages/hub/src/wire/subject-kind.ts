import { oneOf } from './schema.ts'

export const subjectKind = oneOf(['user', 'device', 'session', 'address'])
