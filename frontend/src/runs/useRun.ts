/** The run on the screen: read once, then changed by events, and read again whenever events cannot tell all. */

import { useCallback, useEffect, useRef, useState } from "react";

import { address, api } from "../lib/api";
import { locale } from "../lib/i18n";
import { Follower, type Line, type Source, TICK } from "./follow";
import { applied, fromSnapshot, type RunModel } from "./reducer";
import type { Page } from "./types";

const AGAIN_EVERY = 60_000; // some facts, such as held tasks, have no events

export interface Followed {
  model: RunModel | null;
  line: Line;
  error: unknown;
  /** Read all again, after an action. */
  again: () => void;
}

/** Follow a run for as long as the component is there. */
export function useRun(id: number): Followed {
  const [model, setModel] = useState<RunModel | null>(null);
  const [line, setLine] = useState<Line>("connecting");
  const [error, setError] = useState<unknown>(null);
  const held = useRef<RunModel | null>(null);
  const follower = useRef<Follower | null>(null);

  useEffect(() => {
    const keep = (next: RunModel) => {
      held.current = next;
      setModel(next);
    };
    const read = async () => {
      try {
        const snapshot = await api.get("/runs/{run_id}/snapshot", { path: { run_id: id } });
        keep(fromSnapshot(snapshot, Date.now()));
        setError(null);
        return snapshot.cursor;
      } catch (reason) {
        setError(reason);
        throw reason;
      }
    };
    const one: Follower = new Follower({
      open: (cursor) => open(id, cursor),
      poll: (since) => api.get("/runs/{run_id}/events", { path: { run_id: id }, query: { since } }),
      hidden: () => document.hidden,
      now: Date.now,
      take: (page: Page) => {
        const next = held.current && applied(held.current, page);
        if (next) keep(next);
        // Messages of events are as they were written; a snapshot's are in the reader's language.
        if (next && locale() !== "en" && page.events.some((event) => event.message)) one.later();
        return Boolean(next);
      },
      refresh: read,
      onLine: setLine,
      cursor: () => held.current?.cursor ?? 0,
      idle: () => held.current?.run.ended_at !== null,
    });
    follower.current = one;
    const wake = () => void one.wake();
    const seen = () => !document.hidden && wake();
    void one.again();
    const timer = window.setInterval(() => void one.tick(), TICK);
    const refresher = window.setInterval(() => !held.current?.run.ended_at && wake(), AGAIN_EVERY);
    const online = () => void one.wake(true);
    document.addEventListener("visibilitychange", seen);
    window.addEventListener("online", online);
    return () => {
      one.stop();
      window.clearInterval(timer);
      window.clearInterval(refresher);
      document.removeEventListener("visibilitychange", seen);
      window.removeEventListener("online", online);
    };
  }, [id]);

  const again = useCallback(() => void follower.current?.wake(), []);
  const stale = model?.stale ?? false;
  useEffect(() => {
    if (stale) follower.current?.later();
  }, [stale]);
  return { model, line, error, again };
}

function open(id: number, since: number): Source | null {
  if (typeof EventSource === "undefined") return null;
  return new EventSource(address("/runs/{run_id}/events", { path: { run_id: id }, query: { since } }), { withCredentials: true });
}

/** The time by the server's clock, in steps, while something goes on. */
export function useNow(skew: number, active: boolean, every = 1_000): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    setNow(Date.now());
    if (!active) return;
    const timer = window.setInterval(() => setNow(Date.now()), every);
    return () => window.clearInterval(timer);
  }, [active, every]);
  return now + skew;
}
