INSERT INTO compare_inserts (client, payload) VALUES (:client_id, 'payload-payload-payload-payload-payload-payload-payload-payload-payload-payload-payload-payload-1234');
