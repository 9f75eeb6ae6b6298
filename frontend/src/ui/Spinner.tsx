import { t } from "../lib/i18n";
import { Icon } from "./Icon";

/** Says that something is on its way. */
export function Spinner({ label }: { label?: string }) {
  return (
    <span className="ui-spinner" role="status">
      <Icon name="loader-circle" className="ui-turning" /> {label ?? t("ui.loading")}
    </span>
  );
}
