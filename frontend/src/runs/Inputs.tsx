import { useQuery } from "@tanstack/react-query";

import { api } from "../lib/api";
import { t } from "../lib/i18n";
import { ErrorNote, Spinner } from "../ui";
import { Json } from "./Json";
import type { TaskPicture } from "./types";

interface Props {
  run: number;
  task: TaskPicture;
  mapIndex: number;
  attempt: number;
}

/** The parameters of a task, rendered; those that hold no template stand as they are written. */
export function Inputs({ run, task, mapIndex, attempt }: Props) {
  const found = useQuery({
    queryKey: ["inputs", run, task.task_id, mapIndex, attempt, task.state],
    queryFn: () =>
      api.get("/runs/{run_id}/tasks/{task_id}/inputs", {
        path: { run_id: run, task_id: task.task_id },
        query: { map_index: mapIndex, attempt: attempt || undefined },
      }),
  });
  if (found.error) return <ErrorNote error={found.error} onRetry={() => void found.refetch()} />;
  if (!found.data) return <Spinner />;
  const { written, rendered, later, problem } = found.data;
  return (
    <div className="task-inputs">
      <p className="ui-muted">{rendered ? t("run.inputs.now") : t("run.inputs.written", { problem })}</p>
      <dl>
        {Object.entries({ ...written, ...rendered }).map(([name, value]) => (
          <div key={name}>
            <dt>
              {name} {later.includes(name) && <span className="ui-muted">{t("run.inputs.later")}</span>}
            </dt>
            <dd>
              <Json title={name} value={value} />
            </dd>
          </div>
        ))}
      </dl>
    </div>
  );
}
