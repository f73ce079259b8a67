// The order commands on Emmett, over HTTP: one of the peers that `cargo xtask bench --peers` measures beside
// Waybill.
//
// Environment: PEER_DATABASE_URL, a database of MongoDB; PEER_CONNECTIONS, how many each process keeps to it;
// PEER_PROCESSES, how many processes serve; PEER_ADDRESS_FILE, where it writes on which address it listens.

import cluster from "node:cluster";
import { renameSync, writeFileSync } from "node:fs";

import { serve } from "./api.js";
import { open } from "./store.js";

const BACKLOG = 4_096;

const variable = (name) => {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set`);
  return value;
};

const processes = Number(variable("PEER_PROCESSES"));
const addressFile = variable("PEER_ADDRESS_FILE");

// Writes `commands http://…`, as Waybill's services do. The file is renamed when it is complete.
const tell = ({ port }) => {
  writeFileSync(`${addressFile}.new`, `commands http://127.0.0.1:${port}\n`);
  renameSync(`${addressFile}.new`, addressFile);
};

const listen = async (told) => {
  const store = await open(variable("PEER_DATABASE_URL"), Number(variable("PEER_CONNECTIONS")));
  const server = serve(store);
  server.listen({ host: "127.0.0.1", port: 0, backlog: BACKLOG }, () => told(server.address()));
};

if (processes > 1 && cluster.isPrimary) {
  let listening = 0;
  cluster.on("listening", (_, address) => {
    listening += 1;
    if (listening === processes) tell(address);
  });
  cluster.on("exit", () => process.exit(1));
  for (let number = 0; number < processes; number += 1) cluster.fork();
} else {
  await listen(cluster.isPrimary ? tell : () => {});
}
