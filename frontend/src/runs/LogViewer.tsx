import { type KeyboardEvent, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";

import { address } from "../lib/api";
import { t } from "../lib/i18n";
import { Button, ErrorNote, Spinner } from "../ui";
import { setAddress, useParam } from "./address";
import { LogLines } from "./LogLines";
import { LogFilter, LogResults } from "./LogSearch";
import { linesOf, neighbour, parsePlace, placeOf } from "./logWindow";
import { type LogTarget, useLog } from "./useLog";

const NEAR = 600; // pixels from an end at which more is fetched
const AT_END = 24;

/** An attempt's log: real text, of which so much is in the page as one can read; the server searches all of it. */
export function LogViewer(target: LogTarget) {
  const text = useParam("q") ?? "";
  const levels = useParam("level") ?? "";
  const streams = useParam("stream") ?? "";
  const searching = Boolean(text || levels || streams);
  return (
    <div className="log-viewer">
      <LogFilter text={text} levels={levels} streams={streams} />
      {searching && <LogResults target={target} text={text} levels={levels} streams={streams} />}
      <LogText target={target} />
    </div>
  );
}

function LogText({ target }: { target: LogTarget }) {
  const marked = useParam("line");
  const place = useMemo(() => parsePlace(marked), [marked]);
  const [following, setFollowing] = useState(place === null);
  const log = useLog(target, following);
  const box = useRef<HTMLDivElement>(null);
  const { open, up, down, window: shown } = log;
  const lines = useMemo(() => linesOf(shown), [shown]);

  const held = shown.chunks;
  const inside = place !== null && held.length > 0 && place.seq >= (held[0]?.seq ?? 0) && place.seq <= (held.at(-1)?.seq ?? -1);
  const opened = useRef<typeof open>(null);
  useEffect(() => {
    const another = opened.current !== open;
    opened.current = open;
    if (place === null) {
      if (another) void open("end");
    } else if (!inside || another) {
      setFollowing(false);
      void open(place.seq);
    }
  }, [marked, open]); // eslint-disable-line react-hooks/exhaustive-deps
  useKeepPlace(box, lines, following, inside ? marked : null);

  const scrolled = useCallback(() => {
    const element = box.current;
    if (!element) return;
    const left = element.scrollHeight - element.scrollTop - element.clientHeight;
    setFollowing((before) => (left <= AT_END ? true : before && left < NEAR / 2 ? before : false));
    if (element.scrollTop < NEAR) void up();
    if (left < NEAR) void down();
  }, [up, down]);
  const stepMark = (event: KeyboardEvent) => {
    if (!event.altKey || (event.key !== "ArrowUp" && event.key !== "ArrowDown")) return;
    event.preventDefault();
    const line = neighbour(lines, marked, event.key === "ArrowDown");
    if (line) setAddress({ line: placeOf(line) });
  };
  const jump = (where: "start" | "end") => {
    setFollowing(where === "end");
    setAddress({ line: null });
    void open(where).then((done) => done && box.current && (box.current.scrollTop = where === "start" ? 0 : box.current.scrollHeight));
  };
  return (
    <>
      <div className="ui-row log-bar">
        <Button label={t("run.log.start")} onClick={() => jump("start")} />
        <Button label={t("run.log.end")} aria-pressed={following} onClick={() => jump("end")} />
        <a className="ui-button" href={downloadOf(target)} download>{t("run.log.download")}</a>
        <span className="ui-muted" role="status">{statusOf(target, shown.complete, following, lines.length)}</span>
      </div>
      {log.error !== null && <ErrorNote error={log.error} onRetry={() => void open("end")} />}
      {!log.loaded && log.error === null && <Spinner />}
      {log.loaded && lines.length === 0 && <p className="ui-muted">{target.moving ? t("run.log.nothing_yet") : t("run.log.nothing")}</p>}
      <div className="log-box" ref={box} onScroll={scrolled} onKeyDown={stepMark} aria-keyshortcuts="Alt+ArrowUp Alt+ArrowDown" tabIndex={0} role="log" aria-live="off" aria-label={t("run.tab.log")} hidden={lines.length === 0}>
        {!shown.begins && lines.length > 0 && <p className="log-more">{t("run.log.more_above")}</p>}
        <LogLines lines={lines} marked={marked} />
      </div>
    </>
  );
}

/** Keeps the end in view while it is followed, what is read in its place when lines come above it, and goes to a marked line. */
function useKeepPlace(box: React.RefObject<HTMLDivElement | null>, lines: readonly unknown[], following: boolean, marked: string | null): void {
  const reached = useRef<string | null>(null);
  const before = useRef<{ first: unknown; height: number }>({ first: null, height: 0 });
  const first = (lines[0] as { seq?: number } | undefined)?.seq ?? null;
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const target = marked && reached.current !== marked ? element.querySelector(`[data-place="${marked}"]`) : null;
    if (target) {
      reached.current = marked;
      target.scrollIntoView({ block: "center" });
    } else if (following) element.scrollTop = element.scrollHeight;
    else if (before.current.first !== null && first !== before.current.first && typeof first === "number" && first < (before.current.first as number)) {
      element.scrollTop += element.scrollHeight - before.current.height;
    }
    before.current = { first, height: element.scrollHeight };
  }, [box, lines, following, marked, first]);
}

function statusOf(target: LogTarget, complete: boolean, following: boolean, count: number): string {
  if (complete) return t("run.log.complete", { count });
  return target.moving && following ? t("run.log.following") : "";
}

function downloadOf({ run, task, mapIndex, attempt }: LogTarget): string {
  return address("/runs/{run_id}/tasks/{task_id}/logs/download", {
    path: { run_id: run, task_id: task },
    query: { map_index: mapIndex, attempt: attempt || undefined },
  });
}
