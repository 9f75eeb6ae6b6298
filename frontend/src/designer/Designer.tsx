import { Graph } from "../graph/Graph";
import type { PageProps } from "../lib/props";

export function Designer(_: PageProps) {
  return <Graph nodes={[]} edges={[]} />;
}
