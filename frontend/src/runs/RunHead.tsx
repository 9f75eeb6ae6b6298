import { useState } from "react";

import { t } from "../lib/i18n";
import { Badge, Button, StateBadge } from "../ui";
import { type Action, ActionDialog } from "./ActionDialog";
import { expectedEnd } from "./critical";
import { ExplainDialog } from "./Explain";
import type { Line } from "./follow";
import type { RunModel } from "./reducer";
import type { RunProps } from "./RunPage";
import { type Estimate, FINAL, ms, RUN_FINAL } from "./types";
import { useNow } from "./useRun";
import { clock, duration, reasonWord } from "./words";

const FAILED = new Set(["failed", "upstream_failed"]);

interface Props {
  model: RunModel;
  line: Line;
  estimate: Estimate;
  props: RunProps;
  onDone: () => void;
}

/** The run's name, state, progress and expected end, and what can be done with it. */
export function RunHead({ model, line, estimate, props, onDone }: Props) {
  const { run } = model;
  const [action, setAction] = useState<Action | null>(null);
  const [why, setWhy] = useState(false);
  return (
    <header className="run-head">
      <div className="run-title">
        <h1>
          <a href={props.links.dag}>{run.dag_id}</a> <span className="ui-muted">{t("run.number", { id: String(run.id) })}</span>
        </h1>
        <div className="ui-row" data-testid="run-state">
          <StateBadge state={run.state} />
          {run.paused_at && !run.ended_at && <Badge tone="warn">{t("run.paused")}</Badge>}
          {run.reason && <span className="ui-muted">{reasonWord(run.reason)}</span>}
          <Progress model={model} estimate={estimate} />
          <LineNote line={line} over={RUN_FINAL.has(run.state)} />
        </div>
      </div>
      <div className="ui-row">
        {!run.ended_at && <Button icon="circle-help" label={t("run.why")} onClick={() => setWhy(true)} />}
        {run.ended_at && props.links.delete && <a className="ui-button" href={props.links.delete}>{t("run.delete")}</a>}
        {props.links.restore && <a className="ui-button" href={props.links.restore}>{t("run.restore")}</a>}
        {props.permissions.operate && !run.deleted_at && <Actions model={model} choose={setAction} />}
      </div>
      {action && <ActionDialog action={action} model={model} onClose={() => setAction(null)} onDone={onDone} />}
      {why && <ExplainDialog run={run.id} onClose={() => setWhy(false)} />}
    </header>
  );
}

function Actions({ model, choose }: { model: RunModel; choose: (action: Action) => void }) {
  const { run, tasks } = model;
  const bad = tasks.some((task) => ["failed", "upstream_failed", "cancelled"].includes(task.state));
  return (
    <>
      {bad && <Button icon="rotate-ccw" look="primary" label={t("run.retry")} onClick={() => choose({ kind: "retry" })} />}
      {!run.ended_at && !run.paused_at && <Button icon="pause" label={t("run.pause")} onClick={() => choose({ kind: "pause" })} />}
      {!run.ended_at && run.paused_at && <Button icon="play" label={t("run.resume")} onClick={() => choose({ kind: "resume" })} />}
      {!run.ended_at && <Button icon="square" look="danger" label={t("run.cancel")} onClick={() => choose({ kind: "cancel" })} />}
    </>
  );
}

function Progress({ model, estimate }: { model: RunModel; estimate: Estimate }) {
  const { run, tasks, skew } = model;
  const now = useNow(skew, !run.ended_at);
  const started = ms(run.started_at);
  const settled = tasks.filter((task) => FINAL.has(task.state)).length;
  const failed = tasks.filter((task) => FAILED.has(task.state)).length;
  const end = run.ended_at || run.paused_at ? null : expectedEnd(tasks, estimate.tasks, now);
  return (
    <>
      <span className="run-progress" role="progressbar" aria-label={t("run.progress")} aria-valuemin={0} aria-valuenow={settled} aria-valuemax={tasks.length}>
        <span style={{ flexGrow: settled - failed }} />
        <span className="is-failed" style={{ flexGrow: failed }} data-failed={failed} />
        <span className="is-open" style={{ flexGrow: tasks.length - settled }} />
      </span>
      <span>{t("run.settled", { done: settled, all: tasks.length })}</span>
      {started !== null && <span className="ui-muted">{duration((ms(run.ended_at) ?? now) - started)}</span>}
      {end !== null && (
        <span className="ui-muted" data-testid="eta" title={t("run.eta_from", { count: estimate.runs })}>
          {t("run.eta", { left: duration(end - now), at: clock(end) })}
        </span>
      )}
    </>
  );
}

function LineNote({ line, over }: { line: Line; over: boolean }) {
  if (over) return null;
  if (line === "lost") return <Badge tone="fail">{t("run.line.lost")}</Badge>;
  return (
    <span className={`run-line is-${line}`} role="status" title={t(`run.line.${line}_hint`)}>
      {t(`run.line.${line}`)}
    </span>
  );
}
