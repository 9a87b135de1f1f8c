import { connect } from "durable-base/client";

const room = connect("wss://example.com/lobby");
room.subscribe(() => console.log(room.state));
