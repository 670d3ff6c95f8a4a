import { expect } from 'vitest'
import type { TestHub } from '../../src/testing/start-test-hub.ts'

/** Makes a user known by its email address, and sets its level as an administrator does. */
export async function setRisk(hub: TestHub, email: string, riskLevel: string): Promise<void> {
  const loaded = await hub.api('POST', '/v1/subjects', { kind: 'user', login: email, emails: [email] })
  expect(loaded.status).toBe(201)
  const set = await hub.api('PUT', `/api/v1/users/${encodeURIComponent(email)}/risk`, { riskLevel })
  expect(set.status).toBe(201)
}
