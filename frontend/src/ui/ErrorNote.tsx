import { ApiError } from "../lib/api";
import { hasWords, t } from "../lib/i18n";
import { Button } from "./Button";
import { Icon } from "./Icon";

/** What went wrong in the reader's language where the code is known, else as the server says it. */
export function errorWords(error: unknown): string {
  if (!(error instanceof ApiError)) return error instanceof Error ? error.message : String(error);
  const key = `error.${error.code}`;
  return hasWords(key) ? t(key) : error.message;
}

/** An error where it happened, with a way to try again. */
export function ErrorNote({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  return (
    <div className="ui-error" role="alert">
      <Icon name="triangle-alert" />
      <span>{errorWords(error)}</span>
      {onRetry && <Button label={t("ui.retry")} onClick={onRetry} />}
    </div>
  );
}
