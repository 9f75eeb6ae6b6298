import { useEffect, useState } from "react";

import { api } from "../lib/api";
import { t } from "../lib/i18n";
import { Button, ErrorNote, Icon, Spinner } from "../ui";
import { setAddress } from "./address";
import { plainText } from "./ansi";
import { placeOf } from "./logWindow";
import type { FoundLine } from "./types";
import type { LogTarget } from "./useLog";

const LEVELS = ["error", "warning", "info", "debug"];
const STREAMS = ["stdout", "stderr", "log", "system"];
const TYPING = 300; // milliseconds of rest before the server is asked
const MOST = 500; // lines shown

interface Wanted {
  text: string;
  levels: string;
  streams: string;
}

/** What lines are looked for; it is kept in the page's address. */
export function LogFilter({ text, levels, streams }: Wanted) {
  const [typed, setTyped] = useState(text);
  useEffect(() => setTyped(text), [text]);
  useEffect(() => {
    if (typed === text) return;
    const timer = window.setTimeout(() => setAddress({ q: typed }), TYPING);
    return () => window.clearTimeout(timer);
  }, [typed, text]);
  return (
    <div className="log-filter">
      <label className="run-find">
        <Icon name="search" />
        <span className="ui-hidden">{t("run.log.search")}</span>
        <input className="ui-input" type="search" placeholder={t("run.log.search")} value={typed} onChange={(event) => setTyped(event.target.value)} />
      </label>
      <Choice name="level" label={t("run.log.level")} words={LEVELS} chosen={levels} />
      <Choice name="stream" label={t("run.log.stream")} words={STREAMS} chosen={streams} />
    </div>
  );
}

function Choice({ name, label, words, chosen }: { name: string; label: string; words: string[]; chosen: string }) {
  return (
    <label className="ui-row">
      <span className="ui-hidden">{label}</span>
      <select className="ui-input" aria-label={label} value={chosen} onChange={(event) => setAddress({ [name]: event.target.value })}>
        <option value="">{label}</option>
        {name === "level" && <option value="error,warning">{t("run.log.error_warning")}</option>}
        {words.map((word) => <option key={word} value={word}>{t(`run.log.${name}.${word}`)}</option>)}
      </select>
    </label>
  );
}

interface Results {
  lines: FoundLine[];
  going: boolean;
  error: unknown;
}

/** Lines that the server found, page by page; a click goes to the line where it stands. */
export function LogResults({ target, ...wanted }: { target: LogTarget } & Wanted) {
  const { lines, going, error } = useSearch(target, wanted);
  return (
    <section className="log-results" aria-label={t("run.log.results")}>
      <p className="ui-row" role="status">
        {going ? <Spinner label={t("run.log.searching", { count: lines.length })} /> : t(lines.length >= MOST ? "run.log.found_more" : "run.log.found", { count: lines.length })}
        <Button label={t("run.log.clear")} onClick={() => setAddress({ q: null, level: null, stream: null })} />
      </p>
      {error !== null && <ErrorNote error={error} />}
      <ol>
        {lines.map((line) => (
          <li key={placeOf(line)}>
            <button type="button" className={`log-hit is-${line.level || "plain"}`} onClick={() => setAddress({ line: placeOf(line) })}>
              <span className="log-hit-number">{line.number}</span>
              <Marked text={plainText(line.text)} word={wanted.text} />
            </button>
          </li>
        ))}
      </ol>
    </section>
  );
}

function Marked({ text, word }: { text: string; word: string }) {
  const at = word ? text.toLowerCase().indexOf(word.toLowerCase()) : -1;
  if (at < 0) return <span>{text}</span>;
  return (
    <span>
      {text.slice(0, at)}
      <mark>{text.slice(at, at + word.length)}</mark>
      {text.slice(at + word.length)}
    </span>
  );
}

function useSearch({ run, task, mapIndex, attempt }: LogTarget, { text, levels, streams }: Wanted): Results {
  const [results, setResults] = useState<Results>({ lines: [], going: true, error: null });
  useEffect(() => {
    const stop = new AbortController();
    const search = async () => {
      let lines: FoundLine[] = [];
      let after: string | undefined;
      setResults({ lines, going: true, error: null });
      while (lines.length < MOST) {
        const page = await api.get("/runs/{run_id}/tasks/{task_id}/logs/search", {
          path: { run_id: run, task_id: task },
          query: { map_index: mapIndex, attempt: attempt || undefined, text, level: levels || undefined, stream: streams || undefined, after },
          signal: stop.signal,
        });
        lines = [...lines, ...page.lines].slice(0, MOST);
        after = page.next_after || undefined;
        const going = !page.exhausted && lines.length < MOST;
        setResults({ lines, going, error: null });
        if (page.exhausted) return;
      }
    };
    search().catch((error: unknown) => !stop.signal.aborted && setResults((before) => ({ ...before, going: false, error })));
    return () => stop.abort();
  }, [run, task, mapIndex, attempt, text, levels, streams]);
  return results;
}
