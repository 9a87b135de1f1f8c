import { connect } from "durable-base/client";
console.log(connect("wss://example.com"));
