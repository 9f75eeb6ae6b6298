import { useEffect, useState } from "react";

import { t } from "../lib/i18n";
import { type Line, lineDiff } from "./lineDiff";
import { type Opened, useDraft } from "./store";
import { patched } from "./text";

/** What the text of the draft says other than that of a version. */
export function TextDiff({ compared }: { compared: Opened }) {
  const { document, source } = useDraft();
  const [lines, setLines] = useState<Line[] | null>(null);
  useEffect(() => {
    let late = false;
    void patched(source.text, source.format, source.says, document).then((text) => late || setLines(lineDiff(compared.source.text, text)));
    return () => {
      late = true;
    };
  }, [document, source, compared]);
  if (!lines) return null;
  const name = t("designer.text_diff", { number: compared.base });
  return (
    <div className="text-diff" role="region" aria-label={name} tabIndex={0}>
      <p className="ui-muted">{lines.length ? name : t("designer.same_text", { number: compared.base })}</p>
      <pre>
        {lines.map(({ mark, text }, at) => (
          <span key={at} className={`is-${mark}`}>{`${{ same: "  ", added: "+ ", removed: "− ", skipped: "  " }[mark]}${text}\n`}</span>
        ))}
      </pre>
    </div>
  );
}
