import { type CSSProperties, useMemo } from "react";

import { t } from "../lib/i18n";
import { lookOf, StateBadge } from "../ui";
import { chooseTask, useParam } from "./address";
import { criticalPath, ends } from "./critical";
import { useFiltered } from "./FilterBar";
import type { RunModel } from "./reducer";
import { type Scale, timescale } from "./timescale";
import { type Estimate, FINAL, ms, type TaskPicture } from "./types";
import { useNow } from "./useRun";
import { useRows } from "./useRows";
import { clock, duration, moment, stateWord } from "./words";

const ROW = 28;

/** When each task waited and ran, the path that decides the end, and what is to be expected of the rest. */
export function GanttView({ model, estimate }: { model: RunModel; estimate: Estimate }) {
  const { run, tasks, skew } = model;
  const over = run.ended_at !== null;
  const now = useNow(skew, !over);
  const found = useFiltered(tasks);
  const at = useMemo(() => ends(tasks, estimate.tasks, now), [tasks, estimate, now]);
  const path = useMemo(() => criticalPath(tasks, estimate.tasks, now), [tasks, estimate, now]);
  const start = ms(run.started_at) ?? now;
  const end = over ? (ms(run.ended_at) ?? now) : Math.max(now, ...at);
  const scale = timescale(start, end + (end - start) * 0.02);
  const rows = useRows(found.length, ROW);
  const expected = useMemo(() => new Map(tasks.map((task, place) => [task.task_id, at[place] ?? now])), [tasks, at, now]);
  return (
    <div className="gantt" data-testid="gantt">
      <p className="gantt-legend ui-muted">
        <span className="gantt-key is-wait" /> {t("run.gantt.waited")} <span className="gantt-key is-ran" /> {t("run.gantt.ran")}{" "}
        <span className="gantt-key is-critical" /> {t("run.gantt.critical")} <span className="gantt-key is-expected" /> {t("run.gantt.expected")}
      </p>
      <div className="gantt-scroll" ref={rows.ref} tabIndex={0} role="region" aria-label={t("run.view.gantt")}>
        <Axis scale={scale} />
        <div style={{ height: rows.above }} />
        {found.slice(rows.first, rows.last).map((task) => (
          <Row key={task.task_id} task={task} scale={scale} now={now} critical={path.has(task.task_id)} expected={over ? null : (expected.get(task.task_id) ?? null)} />
        ))}
        <div style={{ height: rows.below }} />
        {found.length === 0 && <p className="ui-muted">{t("run.none")}</p>}
      </div>
    </div>
  );
}

function Axis({ scale }: { scale: Scale }) {
  return (
    <div className="gantt-axis" aria-hidden="true">
      <span className="gantt-name" title={moment(scale.start)}>{clock(scale.start)}</span>
      <span className="gantt-track">
        {scale.ticks.map((tick) => (
          <span key={tick} className="gantt-tick" style={{ left: `${scale.at(scale.start + tick)}%` }}>
            +{duration(tick)}
          </span>
        ))}
      </span>
    </div>
  );
}

interface RowProps {
  task: TaskPicture;
  scale: Scale;
  now: number;
  critical: boolean;
  expected: number | null;
}

function Row({ task, scale, now, critical, expected }: RowProps) {
  const chosen = useParam("task") === task.task_id;
  const queued = ms(task.queued_at);
  const started = ms(task.started_at);
  const ended = ms(task.ended_at) ?? (task.state === "running" ? now : null);
  const lookingAhead = expected !== null && !FINAL.has(task.state) && expected > now;
  const colour = lookOf(task.state).colour;
  return (
    <button
      type="button"
      className={["gantt-row", critical && "is-critical", chosen && "is-chosen"].filter(Boolean).join(" ")}
      onClick={() => chooseTask(task.task_id)}
      aria-label={labelOf(task, started, ended, critical)}
      data-task={task.task_id}
    >
      <span className="gantt-name">
        <StateBadge state={task.state} small /> <span className="gantt-task" title={task.task_id}>{task.task_id}</span>
      </span>
      <span className="gantt-track">
        {task.earlier.map((bar) => (
          <span
            key={bar.number}
            className="gantt-bar is-earlier"
            style={spanOf(scale, Date.parse(bar.started_at), ms(bar.ended_at) ?? now, lookOf(bar.end === "success" ? "success" : "failed").colour)}
            title={t("run.attempt_n", { n: bar.number })}
          />
        ))}
        {queued !== null && (started !== null || task.state === "queued") && (
          <span className="gantt-bar is-wait" style={spanOf(scale, queued, started ?? now)} />
        )}
        {started !== null && ended !== null && <span className="gantt-bar is-ran" style={spanOf(scale, started, ended, colour)} />}
        {lookingAhead && <span className="gantt-bar is-expected" style={spanOf(scale, Math.max(now, ended ?? now), expected)} />}
        {started !== null && ended !== null && (
          <span className="gantt-took" style={tookAt(scale, started, ended)}>{duration(ended - started)}</span>
        )}
      </span>
    </button>
  );
}

function labelOf(task: TaskPicture, started: number | null, ended: number | null, critical: boolean): string {
  const parts = [task.task_id, stateWord(task.state)];
  if (started !== null && ended !== null) parts.push(duration(ended - started));
  if (critical) parts.push(t("run.gantt.critical"));
  return parts.join(", ");
}

function spanOf(scale: Scale, from: number, to: number, background?: string): CSSProperties {
  const left = scale.at(from);
  return { left: `${left}%`, width: `${Math.max(scale.at(to) - left, 0.15)}%`, background };
}

/** Behind the bar where there is room, else before it. */
function tookAt(scale: Scale, started: number, ended: number): CSSProperties {
  const left = scale.at(ended);
  return left > 88 ? { right: `${100 - scale.at(started)}%` } : { left: `${left}%` };
}
