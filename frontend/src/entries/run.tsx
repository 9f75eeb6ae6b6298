import { mount } from "../lib/mount";
import { RunPage } from "../runs/RunPage";
import english from "../locales/en/run.json";

void mount("run", RunPage, { english, chinese: () => import("../locales/zh-hans/run.json") });
