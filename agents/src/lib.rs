//! Agents as stored procedures: models, tools, memory and the durable task engine.
