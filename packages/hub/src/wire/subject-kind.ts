import { shape } from './schema.ts'

export const subjectKind = shape.oneOf(['user', 'device', 'session', 'address'])
