import { hasWords, t } from "../lib/i18n";
import { Icon } from "./Icon";
import { lookOf } from "./states";

/** A state by its colour, its picture and its word. */
export function StateBadge({ state, small = false }: { state: string; small?: boolean }) {
  const look = lookOf(state);
  const word = hasWords(`state.${state}`) ? t(`state.${state}`) : state;
  return (
    <span className={`ui-state${small ? " ui-small" : ""}`} style={{ color: look.colour }} data-state={state}>
      <Icon name={look.icon} size={small ? 13 : 15} />
      {word}
    </span>
  );
}
