/** The one cache of what the server said. */

import { QueryClient } from "@tanstack/react-query";

import { ApiError } from "./api";

/** A cache that asks again after a lost connection, and not after a refusal. */
export function newQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 30_000,
        refetchOnWindowFocus: false,
        retry: (failures, error) => failures < 3 && !(error instanceof ApiError && error.status >= 400 && error.status < 500),
      },
    },
  });
}
