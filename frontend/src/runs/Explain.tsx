import { useQuery } from "@tanstack/react-query";

import { api } from "../lib/api";
import { hasWords, t } from "../lib/i18n";
import { Dialog, ErrorNote, Icon, Spinner } from "../ui";
import type { Explanation } from "./types";

const EVERY = 5_000;

/** Why a task stands where it stands: the engine's own gates, in order. */
export function ExplainTask({ run, task, mapIndex, state }: { run: number; task: string; mapIndex: number; state: string }) {
  const found = useQuery({
    queryKey: ["explain", run, task, mapIndex, state],
    queryFn: () =>
      api.get("/runs/{run_id}/tasks/{task_id}/explain", { path: { run_id: run, task_id: task }, query: { map_index: mapIndex } }),
    refetchInterval: EVERY,
  });
  return <Gates data={found.data} error={found.error} again={() => void found.refetch()} />;
}

/** Why the run does not go on. */
export function ExplainDialog({ run, onClose }: { run: number; onClose: () => void }) {
  const found = useQuery({
    queryKey: ["explain", run],
    queryFn: () => api.get("/runs/{run_id}/explain", { path: { run_id: run } }),
    refetchInterval: EVERY,
  });
  return (
    <Dialog title={t("run.why")} onClose={onClose} wide>
      <Gates data={found.data} error={found.error} again={() => void found.refetch()} />
    </Dialog>
  );
}

function Gates({ data, error, again }: { data: Explanation | undefined; error: unknown; again: () => void }) {
  if (error) return <ErrorNote error={error} onRetry={again} />;
  if (!data) return <Spinner />;
  return (
    <>
      <p className="run-says" data-testid="says">{data.says}</p>
      <ol className="run-gates">
        {data.gates.map((gate) => (
          <li key={gate.name} className={`is-${gate.verdict}`}>
            <Icon name={ICONS[gate.verdict] ?? "circle"} />
            <span className="run-gate">{hasWords(`gate.${gate.name}`) ? t(`gate.${gate.name}`) : gate.name.replaceAll("_", " ")}</span>
            <span className="ui-hidden">{t(`run.verdict.${gate.verdict}`)}</span>
            <span className="ui-muted">{gate.verdict === "not_reached" ? t("run.verdict.not_reached") : gate.says}</span>
          </li>
        ))}
      </ol>
    </>
  );
}

const ICONS: Record<string, string> = { passed: "circle-check", blocked: "circle-x", not_reached: "circle-dashed" };
