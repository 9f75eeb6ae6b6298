import { useEffect, useRef, useState } from "react";

import { ApiError, type Problem } from "../lib/api";
import { t } from "../lib/i18n";
import { ErrorNote } from "../ui/ErrorNote";
import { wordsOf } from "./problems";
import { readText } from "./server";
import { useDraft } from "./store";
import { patched } from "./text";

interface Props {
  problems: Problem[];
  editable: boolean;
  /** Whether the text can be read: while it cannot, the other views would show something else. */
  onReadable: (readable: boolean) => void;
}

/** The document as text. What is typed is read by the server, and is the draft as soon as it can be read. */
export function TextView({ problems, editable, onReadable }: Props) {
  const { document, source, change } = useDraft();
  const [text, setText] = useState<string | null>(null);
  const [error, setError] = useState<unknown>(null);
  const area = useRef<HTMLTextAreaElement>(null);
  const own = useRef(document);
  const typed = useRef<string | null>(null);

  // The draft changed elsewhere (undo, mostly): write it as text again.
  useEffect(() => {
    if (typed.current !== null && own.current === document) return;
    own.current = document;
    typed.current = null;
    void patched(source.text, source.format, source.says, document).then((next) => typed.current === null && setText(next));
  }, [document, source]);

  useEffect(() => {
    const wanted = typed.current;
    if (wanted === null || wanted !== text) return undefined;
    const timer = setTimeout(() => {
      readText(wanted, source.format).then(
        (says) => {
          if (typed.current !== wanted) return;
          setError(null);
          onReadable(true);
          own.current = says;
          change({ document: says, source: { text: wanted, format: source.format, says } }, { key: "text" });
        },
        (problem: unknown) => {
          if (typed.current !== wanted) return;
          setError(problem);
          onReadable(false);
        },
      );
    }, 300);
    return () => clearTimeout(timer);
  }, [text, source.format, change, onReadable]);

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
        spellCheck={false}
        readOnly={!editable}
        value={text ?? ""}
        onChange={(event) => {
          typed.current = event.target.value;
          setText(event.target.value);
        }}
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
