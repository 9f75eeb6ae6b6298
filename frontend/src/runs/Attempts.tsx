import { useQuery } from "@tanstack/react-query";

import { api } from "../lib/api";
import { t } from "../lib/i18n";
import { ErrorNote, Spinner, StateBadge } from "../ui";
import { setAddress } from "./address";
import { ms, type TaskPicture } from "./types";
import { duration, moment, reasonWord } from "./words";

/** Every try of a task, newest first, each with the way to its log. */
export function Attempts({ run, task, mapIndex }: { run: number; task: TaskPicture; mapIndex: number }) {
  const found = useQuery({
    queryKey: ["attempts", run, task.task_id, mapIndex, task.attempt, task.state],
    queryFn: () =>
      api.get("/runs/{run_id}/tasks/{task_id}/attempts", { path: { run_id: run, task_id: task.task_id }, query: { map_index: mapIndex } }),
    placeholderData: (last) => last,
  });
  if (found.error) return <ErrorNote error={found.error} onRetry={() => void found.refetch()} />;
  if (!found.data) return <Spinner />;
  if (!found.data.results.length) return <p className="ui-muted">{t("run.not_started")}</p>;
  return (
    <ol className="attempts" reversed>
      {[...found.data.results].reverse().map((attempt) => {
        const started = ms(attempt.started_at);
        const ended = ms(attempt.ended_at);
        return (
          <li key={attempt.number} value={attempt.number}>
            <div className="ui-row">
              <b>{t("run.attempt_n", { n: attempt.number })}</b>
              <StateBadge state={attempt.end || "running"} small />
              {attempt.reason && <span className="ui-muted">{reasonWord(attempt.reason)}</span>}
              {started !== null && ended !== null && <span>{duration(ended - started)}</span>}
              <button type="button" className="run-plain-button" onClick={() => setAddress({ attempt: String(attempt.number), tab: "log", line: null }, true)}>
                {t("run.tab.log")}
              </button>
            </div>
            <div className="ui-muted">
              {moment(attempt.started_at)} <span className="ui-mono">{attempt.node}</span>
            </div>
            {attempt.message && <p className="task-message">{attempt.message}</p>}
          </li>
        );
      })}
    </ol>
  );
}
