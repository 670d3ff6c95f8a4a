export type Api = <T>(path: string, body?: object) => Promise<T>

/** Speaks the hub's API; each caller knows the shape that the path answers with. */
export function apiOf(origin: string, token: string, stopped: AbortSignal): Api {
  return async <T>(path: string, body?: object) => {
    const response = await fetch(origin + path, {
      headers: { authorization: `SSWS ${token}`, 'content-type': 'application/json' },
      ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }),
      signal: stopped,
    })
    if (response.ok) return (await response.json()) as T
    throw new Error(`the hub answered ${response.status} to ${path}: ${await response.text()}`)
  }
}
