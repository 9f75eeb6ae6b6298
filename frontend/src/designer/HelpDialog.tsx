import { t } from "../lib/i18n";
import { Dialog } from "../ui/Dialog";

const KEYS: [keys: string[], word: string][] = [
  [["/"], "search"],
  [["Enter"], "add"],
  [["Shift", "Enter"], "add_connected"],
  [["Enter"], "insert"],
  [["Tab"], "walk"],
  [["Enter", "Space"], "select"],
  [["←", "↑", "→", "↓"], "move"],
  [["Delete"], "delete"],
  [["Ctrl", "A"], "all"],
  [["Ctrl", "C"], "copy"],
  [["Ctrl", "X"], "cut"],
  [["Ctrl", "V"], "paste"],
  [["Ctrl", "Z"], "undo"],
  [["Ctrl", "Shift", "Z"], "redo"],
  [["Ctrl", "S"], "save"],
  [["?"], "help"],
];

/** Every key, and the way without a mouse. */
export function HelpDialog({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title={t("designer.keys")} onClose={onClose}>
      <table className="ui-table">
        <tbody>
          {KEYS.map(([keys, word]) => (
            <tr key={word}>
              <th scope="row">
                {keys.map((key) => (
                  <kbd key={key}>{key}</kbd>
                ))}
              </th>
              <td>{t(`keys.${word}`)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p className="ui-muted">{t("keys.connect")}</p>
    </Dialog>
  );
}
