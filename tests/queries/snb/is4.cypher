// What a message says, and when it was written.
MATCH (message:Message {id: $messageId})
RETURN message.creationDate AS creationDate, coalesce(message.content, message.imageFile) AS content
