import { connect } from "durable-base/client";
import { useClient, useObject } from "durable-base/react";

const room = connect("wss://example.com/lobby");
room.subscribe(() => console.log(room.state, useClient, useObject));
