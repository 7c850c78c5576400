// Every kind of upstream, against the one contract.

import { openRemoteLab } from "./remote-lab.ts";
import { openStdioLab } from "./stdio-lab.ts";
import { describeUpstream } from "./upstream.ts";

describeUpstream("stdio", openStdioLab);
describeUpstream("remote", openRemoteLab);
