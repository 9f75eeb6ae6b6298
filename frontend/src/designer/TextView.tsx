import { useEffect, useRef, useState } from "react";

import { ApiError, type Problem } from "../lib/api";
import { t } from "../lib/i18n";
import { ErrorNote } from "../ui/ErrorNote";
import { wordsOf } from "./problems";
import { useDraft } from "./store";
import { patched } from "./text";
import { readTyped } from "./typed";

const REST_MS = 300;

/** The document as text. What is typed is read by the server, and is the draft as soon as it can be read. */
export function TextView({ problems, editable }: { problems: Problem[]; editable: boolean }) {
  const { document, source, typed, unread, type } = useDraft();
  const [written, setWritten] = useState("");
  const [failed, setFailed] = useState<unknown>(null);
  const area = useRef<HTMLTextAreaElement>(null);
  const text = typed ?? (source.says === document ? source.text : written);
  const error = unread ?? failed;

  // The draft changed elsewhere (undo, mostly): write it as text again.
  useEffect(() => {
    let current = true;
    setFailed(null);
    patched(source.text, source.format, source.says, document).then(
      (next) => current && setWritten(next),
      (why: unknown) => current && setFailed(why),
    );
    return () => {
      current = false;
    };
  }, [document, source]);

  useEffect(() => {
    if (typed === null) return undefined;
    const timer = setTimeout(() => void readTyped(), REST_MS);
    return () => clearTimeout(timer);
  }, [typed]);

  const show = (line: number | null) => {
    const element = area.current;
    if (!element || !line) return;
    const start = element.value.split("\n").slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0);
    element.focus();
    element.setSelectionRange(start, start + (element.value.split("\n")[line - 1]?.length ?? 0));
  };
  const found = error instanceof ApiError && error.problems.length ? error.problems : problems;
  return (
    <div className="text-view">
      <textarea
        ref={area}
        className="ui-input"
        aria-label={t("designer.view_text")}
        aria-invalid={unread !== null}
        spellCheck={false}
        readOnly={!editable}
        value={text}
        onChange={(event) => type(event.target.value)}
        onBlur={() => void readTyped()}
      />
      {error !== null && !(error instanceof ApiError && error.problems.length) && <ErrorNote error={error} />}
      {found.length > 0 && (
        <ul className="text-problems">
          {found.map((problem, at) => (
            <li key={at}>
              <button type="button" onClick={() => show(problem.line)}>
                {problem.line ? `${t("designer.line", { line: problem.line })}: ` : ""}
                {problem.path && <code>{problem.path}</code>} {wordsOf(problem)}
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
