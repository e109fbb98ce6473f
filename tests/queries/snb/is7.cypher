// The replies to a message, and whether their authors know the one they replied to.
MATCH (message:Message {id: $messageId})<-[:REPLY_OF]-(comment:Comment)-[:HAS_CREATOR]->(replier:Person)
OPTIONAL MATCH (message)-[:HAS_CREATOR]->(author:Person)-[knows:KNOWS]-(replier)
RETURN comment.id AS commentId, comment.content AS content, comment.creationDate AS creationDate,
       replier.id AS replierId, replier.firstName AS firstName, replier.lastName AS lastName,
       knows IS NOT NULL AS knowsAuthor
ORDER BY creationDate DESC, replierId ASC
