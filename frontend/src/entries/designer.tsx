import { Designer } from "../designer/Designer";
import { mount } from "../lib/mount";
import english from "../locales/en/designer.json";

void mount("designer", Designer, { english, chinese: () => import("../locales/zh-hans/designer.json") });
