import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { api } from "../lib/api";
import { t } from "../lib/i18n";
import type { Touched } from "../lib/schema";
import { Button, Dialog, ErrorNote, Spinner, StateBadge } from "../ui";
import type { RunModel } from "./reducer";
import { FINAL } from "./types";

type Surgery =
  | { kind: "retry" }
  | { kind: "clear"; task: string }
  | { kind: "mark"; task: string; state: "success" | "failed" };
export type Action = { kind: "cancel" | "pause" | "resume" } | Surgery;

interface Props {
  action: Action;
  model: RunModel;
  onClose: () => void;
  onDone: () => void;
}

/** What an action will touch, and the button that does it. */
export function ActionDialog({ action, model, onClose, onDone }: Props) {
  const [reach, setReach] = useState<Reached>({ downstream: true, upstream: false, version: null });
  const run_id = model.run.id;
  const doing = useMutation({
    mutationFn: () => perform(action, run_id, reach),
    onSuccess: () => {
      onDone();
      onClose();
    },
  });
  const name = titleOf(action);
  const dangerous = action.kind === "cancel" || (action.kind === "mark" && action.state === "failed");
  return (
    <Dialog
      title={name}
      onClose={onClose}
      actions={
        <>
          <Button label={t("ui.close")} onClick={onClose} />
          <Button
            look={dangerous ? "danger" : "primary"}
            label={name}
            disabled={doing.isPending}
            onClick={() => doing.mutate()}
            data-testid="do-it"
          />
        </>
      }
    >
      {doing.error && <ErrorNote error={doing.error} />}
      {action.kind === "clear" && <Reach reach={reach} onChange={setReach} />}
      {(action.kind === "clear" || action.kind === "retry") && model.run.ended_at && <Version run={model.run} reach={reach} onChange={setReach} />}
      {isSurgery(action) ? <Preview action={action} run_id={run_id} reach={reach} /> : <Sentence kind={action.kind} model={model} />}
    </Dialog>
  );
}

interface Reached {
  downstream: boolean;
  upstream: boolean;
  /** The version to go on with; null: the run's own. */
  version: number | null;
}

function isSurgery(action: Action): action is Surgery {
  return action.kind === "retry" || action.kind === "clear" || action.kind === "mark";
}

function titleOf(action: Action): string {
  return action.kind === "mark" ? t(`run.mark_${action.state}`) : t(`run.${action.kind}`);
}

async function operate(action: Surgery, run_id: number, reach: Reached, preview: boolean): Promise<Touched> {
  const path = { run_id };
  const { version, ...far } = reach;
  if (action.kind === "clear") return api.post("/runs/{run_id}/clear", { path, body: { tasks: [action.task], ...far, version, preview } });
  if (action.kind === "mark") {
    return api.post("/runs/{run_id}/mark", { path, body: { tasks: [action.task], state: action.state, preview } });
  }
  return api.post("/runs/{run_id}/retry", { path, body: { version, preview } });
}

async function perform(action: Action, run_id: number, reach: Reached): Promise<unknown> {
  if (isSurgery(action)) return operate(action, run_id, reach, false);
  return api.post(`/runs/{run_id}/${action.kind}`, { path: { run_id } });
}

/** By which version it runs again, when another one is current by now: what was mended there can run in this run. */
function Version({ run, reach, onChange }: { run: RunModel["run"]; reach: Reached; onChange: (reach: Reached) => void }) {
  const dag = useQuery({ queryKey: ["dag", run.dag_id], queryFn: () => api.get("/dags/{dag_id}", { path: { dag_id: run.dag_id } }), staleTime: 0 });
  const current = dag.data?.current_version ?? null;
  if (current === null || current === run.version) return null;
  return (
    <fieldset className="run-reach">
      <legend>{t("run.by_version")}</legend>
      {[run.version, current].map((number) => {
        const version = number === run.version ? null : number;
        return (
          <label key={number}>
            <input type="radio" name="version" checked={reach.version === version} onChange={() => onChange({ ...reach, version })} />{" "}
            {t(version === null ? "run.by_own" : "run.by_current", { number })}
          </label>
        );
      })}
    </fieldset>
  );
}

function Reach({ reach, onChange }: { reach: Reached; onChange: (reach: Reached) => void }) {
  return (
    <fieldset className="run-reach">
      <legend className="ui-hidden">{t("run.reach")}</legend>
      {(["downstream", "upstream"] as const).map((side) => (
        <label key={side}>
          <input type="checkbox" checked={reach[side]} onChange={(event) => onChange({ ...reach, [side]: event.target.checked })} />{" "}
          {t(`run.reach_${side}`)}
        </label>
      ))}
    </fieldset>
  );
}

function Preview({ action, run_id, reach }: { action: Surgery; run_id: number; reach: Reached }) {
  const preview = useQuery({
    queryKey: ["preview", run_id, action, reach],
    queryFn: () => operate(action, run_id, reach, true),
    staleTime: 0,
    gcTime: 0,
  });
  if (preview.error) return <ErrorNote error={preview.error} onRetry={() => void preview.refetch()} />;
  if (!preview.data) return <Spinner />;
  const { count, kept, touched } = preview.data;
  return (
    <>
      <p data-testid="touches">{t("run.touches", { count })} {t("run.kept", { count: kept })}</p>
      <ul className="run-touched">
        {touched.map((one) => (
          <li key={`${one.task_id}[${one.map_index}]`}>
            <span>
              {one.task_id}
              {one.map_index >= 0 && `[${one.map_index}]`}
            </span>
            <StateBadge state={one.state} small />
            <span className="ui-muted">→ {t(`run.change.${one.change}`)}</span>
          </li>
        ))}
      </ul>
      {touched.length < count && <p className="ui-muted">{t("run.more", { count: count - touched.length })}</p>}
    </>
  );
}

function Sentence({ kind, model }: { kind: Action["kind"]; model: RunModel }) {
  const running = model.tasks.filter((task) => task.state === "running").length;
  const open = model.tasks.filter((task) => !FINAL.has(task.state)).length - running;
  return <p data-testid="touches">{t(`run.${kind}_says`, { running, open })}</p>;
}
