"""Forwards TCP ports of one address to the same ports of the loopback: forward.py ADDRESS PORT...

Containers reach the host by the address of Docker's bridge, where nothing else of the stack listens."""
import asyncio
import sys

LOOPBACK = "127.0.0.1"


async def pump(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        writer.close()


async def serve(address, port):
    async def accept(reader, writer):
        try:
            up_reader, up_writer = await asyncio.open_connection(LOOPBACK, port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(pump(reader, up_writer), pump(up_reader, writer))
        up_writer.close()
        writer.close()

    server = await asyncio.start_server(accept, address, port)
    await server.serve_forever()


async def main():
    await asyncio.gather(*(serve(sys.argv[1], int(port)) for port in sys.argv[2:]))


asyncio.run(main())
