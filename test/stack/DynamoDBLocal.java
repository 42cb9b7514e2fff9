import java.lang.reflect.Field;

import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import software.amazon.dynamodb.services.local.server.DynamoDBProxyServer;
import software.amazon.dynamodb.services.local.server.LocalDynamoDBRequestHandler;
import software.amazon.dynamodb.services.local.server.LocalDynamoDBServerHandler;

/** Runs DynamoDB Local in memory on a loopback port. Its own runner listens on every address of the machine. */
public class DynamoDBLocal {
    public static void main(String[] args) throws Exception {
        int port = Integer.parseInt(args[0]);
        var handler = new LocalDynamoDBRequestHandler(0, true, null, false, false);
        var proxy = new DynamoDBProxyServer(port, new LocalDynamoDBServerHandler(handler, null));
        Field field = DynamoDBProxyServer.class.getDeclaredField("server");
        field.setAccessible(true);
        ((ServerConnector) ((Server) field.get(proxy)).getConnectors()[0]).setHost("127.0.0.1");
        proxy.start();
        proxy.join();
    }
}
